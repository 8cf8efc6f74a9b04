# The program in an image of its own, without a shell, as a user without rights:
#
#   docker build -t reflectionflow .
#   docker run --rm -v "$PWD:/work" --user "$(id -u):$(id -g)" reflectionflow generate "a photo of three trains"
#
# A server, whose searches are in the volume reflectionflow:
#
#   docker run -p 127.0.0.1:8080:8080 -v reflectionflow:/data reflectionflow serve --data /data --listen 0.0.0.0:8080 --open
#
# For several platforms: docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=v1.2.3 .
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION=devel
# simd/archsimd is for amd64 alone.
RUN if [ "$TARGETARCH" = amd64 ]; then export GOEXPERIMENT=simd; fi; \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /image/reflectionflow ./cmd/reflectionflow \
    && mkdir -p /image/work /image/tmp /image/data && chmod 1777 /image/work /image/tmp /image/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /image /
USER 65532:65532
WORKDIR /work
EXPOSE 8080
ENV HOME=/work
ENTRYPOINT ["/reflectionflow"]
