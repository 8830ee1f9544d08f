"""The rules of STYLE that a program can check: small, each message naming the place and the mend."""
