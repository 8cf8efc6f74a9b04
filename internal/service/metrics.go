package service

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"reflectionflow/internal/jobs"
)

// metrics are what Prometheus collects.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
}

func newMetrics(q *jobs.Queue) *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "reflectionflow_request_seconds", Help: "Time of HTTP requests.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
	}, []string{"route", "status"})}
	m.registry.MustRegister(m.requests)
	for _, state := range []jobs.State{jobs.Queued, jobs.Running} {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "reflectionflow_jobs", Help: "Jobs that have not ended.", ConstLabels: prometheus.Labels{"state": string(state)},
		}, func() float64 {
			n := 0
			for _, job := range q.Jobs() {
				if job.State == state {
					n++
				}
			}
			return float64(n)
		}))
	}
	return m
}

func (m *metrics) request(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Observe(took.Seconds())
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
