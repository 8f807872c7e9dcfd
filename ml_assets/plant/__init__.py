"""The simulated physical plant and its truth. It knows no learning."""
