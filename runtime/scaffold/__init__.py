"""New projects: the files that `dispatch new` writes, made from the templates in `templates/`.

A template's name ends in `.tmpl`, which is removed; `%%name` and `%%{name}` are replaced, in its path, too.
"""
