//! Neural-network layers, losses, constraints, and optimizers that project.
