# The examples' small base, made of Debian's package instead of Docker Hub's image.
FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends busybox-static
WORKDIR /image
RUN mkdir -p bin dev etc home proc root sys tmp usr/bin usr/sbin var \
    && chmod 1777 tmp \
    && cp /bin/busybox bin/ \
    && bin/busybox --list | grep -vx busybox | while read -r applet; do ln -sf busybox "bin/$applet"; done \
    && echo "root:x:0:0:root:/root:/bin/sh" > etc/passwd \
    && echo "root:x:0:" > etc/group

FROM scratch
COPY --from=build /image /
CMD ["sh"]
