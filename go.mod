module reflectionflow

go 1.26.5
