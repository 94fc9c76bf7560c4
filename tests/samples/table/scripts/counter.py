import sys

calls = 0


def main():
    global calls
    calls += 1
    sys.stdout.write(f"{sys.stdin.read()} in {__name__ == '__main__'}, {sys.argv}")
