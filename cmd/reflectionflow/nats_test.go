package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"reflectionflow"
	"reflectionflow/internal/config"
	"reflectionflow/internal/testserver"
)

// TestSecureNATS: with certificates and credentials the cluster can be used, and without
// either it cannot.
func TestSecureNATS(t *testing.T) {
	dir := t.TempDir()
	certificate := selfSigned(t, filepath.Join(dir, "ca.pem"))
	operator, account, creds := accounts(t)
	writeFile(t, filepath.Join(dir, "user.creds"), string(creds))
	system := newKey(t, nkeys.CreateAccount)
	systemJWT, err := jwt.NewAccountClaims(public(t, system)).Encode(operator.key)
	if err != nil {
		t.Fatal(err)
	}
	resolver := &server.MemAccResolver{}
	if err := errors.Join(resolver.Store(account.id, account.token), resolver.Store(public(t, system), systemJWT)); err != nil {
		t.Fatal(err)
	}
	url := testserver.NATS(t, func(o *server.Options) {
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
		o.TrustedOperators, o.AccountResolver, o.SystemAccount = []*jwt.OperatorClaims{operator.claims}, resolver, public(t, system)
	})
	n := config.NATS{URL: strings.Replace(url, "nats://", "tls://", 1), Creds: filepath.Join(dir, "user.creds"), CA: filepath.Join(dir, "ca.pem")}
	p := &program{stderr: os.Stderr}
	defer p.clusters.close()
	f, err := p.fleet(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := f.Workers(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("got %v, %v", list, err)
	}
	for name, spoil := range map[string]func(*config.NATS){
		"no credentials":  func(n *config.NATS) { n.Creds = "" },
		"no certificates": func(n *config.NATS) { n.CA = "" },
	} {
		bad := n
		spoil(&bad)
		if _, err := p.bus(bad); err == nil {
			t.Errorf("%s: it connects", name)
		}
	}
	n.Creds += ".missing"
	if _, err := p.bus(n); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("a missing file: %v", err)
	}
}

// selfSigned makes a certificate for 127.0.0.1 and writes it to a file.
func selfSigned(t *testing.T, path string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

type trusted struct {
	key    nkeys.KeyPair
	claims *jwt.OperatorClaims
}

type signed struct{ id, token string }

// accounts makes an operator, an account with JetStream, and the credentials of a user.
func accounts(t *testing.T) (trusted, signed, []byte) {
	t.Helper()
	operatorKey, accountKey, userKey := newKey(t, nkeys.CreateOperator), newKey(t, nkeys.CreateAccount), newKey(t, nkeys.CreateUser)
	operator := jwt.NewOperatorClaims(public(t, operatorKey))
	account := jwt.NewAccountClaims(public(t, accountKey))
	account.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	accountToken, err := account.Encode(operatorKey)
	if err != nil {
		t.Fatal(err)
	}
	userToken, err := jwt.NewUserClaims(public(t, userKey)).Encode(accountKey)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := userKey.Seed()
	if err != nil {
		t.Fatal(err)
	}
	creds, err := jwt.FormatUserConfig(userToken, seed)
	if err != nil {
		t.Fatal(err)
	}
	return trusted{operatorKey, operator}, signed{public(t, accountKey), accountToken}, creds
}

func newKey(t *testing.T, create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	t.Helper()
	key, err := create()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func public(t *testing.T, key nkeys.KeyPair) string {
	t.Helper()
	id, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return id
}
