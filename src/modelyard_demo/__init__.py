"""The models that `modelyard demo` trains, apart from the product: they need the extra `demo`."""
