"""The workstation part of samewhy."""
