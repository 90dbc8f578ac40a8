# What the initrd runs first.
