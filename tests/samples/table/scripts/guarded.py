import sys

if __name__ == "__main__":
    print(len(sys.stdin.read()), end="")
