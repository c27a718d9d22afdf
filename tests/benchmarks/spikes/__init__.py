"""Parts of the benchmark ``spiking``: nets, streams, the race against other tools, and what is measured on them."""
