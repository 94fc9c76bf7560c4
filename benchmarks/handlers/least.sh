# The least that a function of a shell does: it prints its event.
handler() { printf '%s' "$1"; }
