# qstored and qstore-client on Debian 13.
#
#   docker build -t qstore .
#   docker run -p 7350:7350 -v qstore:/var/lib/qstore qstore

FROM debian:trixie-slim AS build
WORKDIR /src
COPY scripts/setup-debian.sh scripts/
COPY scripts/lib/common.sh scripts/lib/
RUN scripts/setup-debian.sh build
COPY . .
RUN cmake --preset release -DQSTORE_BUILD_TESTS=OFF \
 && cmake --build --preset release --target qstored qstore-client \
 && strip build/release/bin/qstored build/release/bin/qstore-client

FROM debian:trixie-slim
# What the programs link (scripts/check-image.sh compares).
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      libgrpc++1.51t64 libgrpc29t64 libprotobuf32t64 libabsl20240722 librocksdb9.10 libzstd1 \
      libhwy1t64 libjsoncpp26 libxxhash0 libssl3t64 libspdlog1.15 libfmt10 libjemalloc2 \
      libgcc-s1 libstdc++6 ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o 7350 -g 7350 -m 0750 /var/lib/qstore
COPY --from=build /src/build/release/bin/qstored /src/build/release/bin/qstore-client /usr/local/bin/
# A numeric user, so that Kubernetes can check runAsNonRoot.
USER 7350:7350
ENV QSTORE_LISTEN=0.0.0.0:7350 QSTORE_DATA_DIR=/var/lib/qstore
VOLUME /var/lib/qstore
EXPOSE 7350
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["qstored", "--health-check", "127.0.0.1:7350"]
ENTRYPOINT ["qstored"]
