// Package testserver provides doubles of the servers that this project talks to. They
// listen on the loopback interface, speak the protocol that the server's documentation
// publishes, refuse what the server refuses, and fail on demand.
//
// Doubles are strict, because a client that has only been tested with a lenient double has
// not been tested: unknown fields, nodes and parameters are errors, and a prompt that holds
// commands of the server is refused.
//
// [Faults] and [BadAnswers] try clients against tables of everything that networks,
// servers and models do wrong.
package testserver
