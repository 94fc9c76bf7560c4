"""The first module that a packaged interpreter runs; it makes the frozen base behave as `python3` does.

It is copied into archives, under the name that the base of freeze-core looks for, and imports nothing of ours. The base
starts isolated: it reads neither its arguments nor PYTHONPATH, and installs no signal handlers.
"""

import _signal  # type: ignore[import-not-found]
import sys

#: Options of `python3` that take a value; all others are single letters.
_WITH_VALUE = "WX"
_RUNS = "cm"


def run(_name: str) -> None:
    """Run what the arguments name: `[options] [-c CODE | -m MODULE | FILE | -] [ARGUMENT]...`."""
    _signals()
    options, kind, what, arguments = parse(sys.argv[1:])
    _settings(options)
    if "V" in options:
        print("Python", sys.version.partition(" ")[0])  # noqa: T201
        return
    sys.argv = [{"c": "-c", "m": "-m", "": ""}.get(kind, what), *arguments]
    import site

    site.setquit()
    try:
        _START[kind](what, "P" not in options and "I" not in options)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - the base would show its own frames and end with status 255
        frames = error.__traceback__ and error.__traceback__.tb_next
        sys.excepthook(type(error), error, frames and frames.tb_next)
        sys.exit(1)


def parse(given: list[str]) -> tuple[str, str, str, list[str]]:
    """The option letters, the kind ("c", "m", "file", "" for standard input), its name or code, its arguments."""
    options = ""
    while given:
        word = given.pop(0)
        if word == "--version":
            return "V", "", "", given
        if word == "-" or not word.startswith("-"):
            return options, "" if word == "-" else "file", word, given
        for place, letter in enumerate(word[1:], 2):
            rest = word[place:]
            if letter in _RUNS:
                return options, letter, rest or (given.pop(0) if given else ""), given
            if letter in _WITH_VALUE:
                if not rest and given:
                    given.pop(0)
                break
            options += letter
    return options, "", "", given


def _signals() -> None:
    _signal.signal(_signal.SIGPIPE, _signal.SIG_IGN)
    _signal.signal(_signal.SIGXFSZ, _signal.SIG_IGN)
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)


def _settings(options: str) -> None:
    import os

    environment = {} if "E" in options or "I" in options else os.environ
    folders = [folder for folder in environment.get("PYTHONPATH", "").split(":") if folder]
    sys.path[:0] = [os.path.abspath(folder) for folder in folders]
    if "B" in options or environment.get("PYTHONDONTWRITEBYTECODE"):
        sys.dont_write_bytecode = True
    if "u" in options or environment.get("PYTHONUNBUFFERED"):
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(write_through=True)  # type: ignore[union-attr]


def _run_code(code: str, unsafe_path: bool) -> None:
    import __main__

    if unsafe_path:
        sys.path.insert(0, "")
    exec(compile(code, "<string>", "exec"), __main__.__dict__)  # noqa: S102 - -c asks for it


def _run_module(module: str, unsafe_path: bool) -> None:
    import os
    import runpy

    if unsafe_path:
        sys.path.insert(0, os.getcwd())
    runpy._run_module_as_main(module)  # type: ignore[attr-defined]  # noqa: SLF001 - python3 -m calls it


def _run_file(path: str, unsafe_path: bool) -> None:
    if path.endswith(".pyc"):
        _run_compiled(path)
        return
    import os
    import runpy

    if unsafe_path and os.path.isfile(path):
        sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
    runpy.run_path(path, run_name="__main__")


def _run_compiled(path: str) -> None:
    import marshal

    import __main__

    with open(path, "rb") as file:
        file.seek(16)  # PEP 552
        code = marshal.load(file)  # noqa: S302 - it was named on the command line
    __main__.__file__ = path
    exec(code, __main__.__dict__)  # noqa: S102 - the same


def _run_input(_what: str, unsafe_path: bool) -> None:
    _run_code(sys.stdin.read(), unsafe_path)


_START = {"c": _run_code, "m": _run_module, "file": _run_file, "": _run_input}
