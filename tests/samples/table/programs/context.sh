#!/bin/sh
printf %s "$LAMBDA_RUNTIME_CLIENT_CONTEXT"
