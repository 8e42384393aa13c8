"""What every HTTP door shares: authentication, limits, request bodies, byte ranges, answers and errors."""
