#!/bin/sh
# One image for every engine: entrypoint.sh HANDLER [option of uvicorn]...
# Lambda sets AWS_LAMBDA_RUNTIME_API; without it, start AWS's emulator or an HTTP server.
if [ -n "$AWS_LAMBDA_RUNTIME_API" ] && [ -z "$AWS_LAMBDA_HTTP_ENDPOINT" ]; then
    exec python -P -m runtime "$@"
fi
emulator=${EMULATOR:-/usr/local/bin/aws-lambda-rie}
if [ -x "$emulator" ]; then
    exec "$emulator" python -P -m runtime "$@"
fi

# SageMaker starts images with the word `serve`, so HANDLER is then in the environment.
case ${1:-} in
serve) shift ;;
'' | --*) ;;
*) export HANDLER="$1" && shift ;;
esac

host=${HOST:-0.0.0.0} port=${PORT:-8080} grace=${GRACE:-20}
if [ -n "$AWS_LAMBDA_HTTP_ENDPOINT" ]; then
    # Lambda sends no requests from anywhere else, and kills the server a second after SIGTERM.
    port=${AWS_LAMBDA_HTTP_ENDPOINT##*:} host=${AWS_LAMBDA_HTTP_ENDPOINT%:*} grace=1
fi

# `--app-dir /`: by default, uvicorn would look for `runtime` in the function's folder first. Connections are kept for
# longer than load balancers keep idle ones, so that none sends a request to a connection that is being closed.
export LAMBDA_TASK_ROOT="${LAMBDA_TASK_ROOT:-$PWD}"
exec uvicorn runtime.asgi:app --app-dir / --host "$host" --port "$port" \
    --timeout-graceful-shutdown "$grace" --timeout-keep-alive 65 --no-access-log "$@"
