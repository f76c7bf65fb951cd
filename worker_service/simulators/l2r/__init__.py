"""Learn-to-Race: its environment `LearnToRace-v0`, its metrics, and an emulator of the simulator it speaks to."""
