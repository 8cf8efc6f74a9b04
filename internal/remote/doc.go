// Package remote is the implementation of the public package remote, which documents
// URLs, failures and cancellation. Here generators also take a configured endpoint: its
// ledger, retries and clock. A new protocol is one file and one entry of protocols.
package remote
