name = input()
print("Hello,", name, end="!")
