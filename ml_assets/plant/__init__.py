"""The simulated physical plant and its truth. It knows no learning.

Several rigs swing on an incline; an electromagnet keeps them going; they wear as a declared
scenario says. What is learned is the amplitude of the coming cycle from one reading.
"""

from ml_assets.plant.plant import Plant
from ml_assets.plant.scenarios import ORIGIN, SCENARIOS, Scenario, scenario_named

__all__ = ["ORIGIN", "SCENARIOS", "Plant", "Scenario", "scenario_named"]
