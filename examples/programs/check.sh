#!/bin/sh
# Accepts an order that has a number; anything else fails the invocation.
if ! grep -q '"number"'; then
    echo "the order has no number" >&2
    exit 2
fi
echo accepted
