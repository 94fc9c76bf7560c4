function handler () {
  EVENT_DATA=$1
  echo "$EVENT_DATA" 1>&2;
  RESPONSE="Echoing request: '$EVENT_DATA'"

  echo $RESPONSE
}

# The event is on standard input, too.
function longest () {
  awk '{ if (length > length(line)) line = $0 } END { print line }'
}
