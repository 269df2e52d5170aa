"""The same explanations by Captum, Xplique and DIANNA, each in an environment of its own."""
