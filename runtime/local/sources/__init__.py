"""Where functions get events from without a caller: what is polled, one file for each kind."""
