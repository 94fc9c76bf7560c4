#!/bin/sh
# One image for every engine. Lambda sets AWS_LAMBDA_RUNTIME_API; without it, start AWS's emulator or `dispatch serve`.
if [ -n "$AWS_LAMBDA_RUNTIME_API" ]; then
    exec python -P -m runtime "$@"
fi
emulator=${EMULATOR:-/usr/local/bin/aws-lambda-rie}
if [ -x "$emulator" ]; then
    exec "$emulator" python -P -m runtime "$@"
fi
exec dispatch serve "$@" --host "${HOST:-0.0.0.0}" --port "${PORT:-8080}" --no-reload
