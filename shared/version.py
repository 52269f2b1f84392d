"""The version of this code, stored with every result."""

VERSION = "0.1.0"
