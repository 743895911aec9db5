# syntax=docker/dockerfile:1
# check=skip=UndefinedVar;error=true
# escape=\

# a comment
ARG VERSION=3.19 OTHER
ARG QUOTED="a b"

# base what all else builds on
FROM --platform=$BUILDPLATFORM alpine:${VERSION} AS Base
LABEL a=b "c d"=e org.example.title="two words" \
      trailing=x
LABEL legacy some text
ENV A=b C='d e' F=g\ h
ENV OLD the   whole rest
RUN apk add --no-cache \
    # a comment in between
    git \

    make && \
    echo done
RUN ["/bin/sh", "-c", "echo hi"]
RUN --mount=type=cache,target=/root/.cache --mount=type=bind,target=/src \
    --network=none --security=sandbox make #!COMMIT
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /src dir
USER nobody:nogroup
VOLUME /a /b
VOLUME ["/c d", "/e"]
EXPOSE 80 443/tcp 53/udp
STOPSIGNAL SIGTERM
MAINTAINER Somebody <some@body>
HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD curl -f http://localhost/ || exit 1
HEALTHCHECK --start-period=5s --start-interval=1s CMD ["/check", "now"]
HEALTHCHECK NONE
CMD echo "shell form"
CMD ["exec", "form"]
ENTRYPOINT ["/entry"]
ONBUILD COPY . /app
ONBUILD RUN <<EOF
make
EOF

FROM scratch
COPY --from=base --chown=1:2 --chmod=0755 --link --parents --exclude=*.md --exclude=*.txt a b /dest/
COPY --archive x /y   #! commit  
COPY ["with space", "/dest"]
ADD --checksum=sha256:aa --keep-git-dir=true --unpack=false https://example.com/a.tar /a
add ["x", "/y"] trailing text
