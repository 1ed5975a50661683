"""What templates show: frozen values with every label, address and price ready. Templates decide nothing."""
