package cpu

const vectorISA = "plain Go"
