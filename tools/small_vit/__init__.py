"""The parts of tools/build_test_vit.py: lessons, student, learning."""
