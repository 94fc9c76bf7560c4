echo "loaded" # goes to the log

shout() {
    printf %s "$1" | tr a-z A-Z
}

same() {
    [ "$1." = "$(cat && echo .)" ] && printf %s "$1"
}

fails() {
    echo "no such luck" >&2
    return 4
}

leaves() {
    exit 5
}
