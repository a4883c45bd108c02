"""Where the next trial's parameters come from: one sampler a module, opened by ``open_sampler``."""
