// Package testserver holds doubles of other people's servers for tests: they
// listen on the loopback interface, speak the protocol that the server's own
// documentation publishes, refuse what the server refuses, and fail on demand.
//
// Doubles are strict about what they are sent, because a client that only talks to
// a lenient double has not been tested.
package testserver
