"""What the runtime talks to in the tests: a scripted Runtime API, AWS's emulator, the embedded platform."""
