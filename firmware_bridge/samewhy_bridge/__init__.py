"""The microcontroller part of samewhy: C out, boards and wires in."""
