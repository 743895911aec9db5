FROM alpine
RUN <<EOF
echo one
# not a comment \
echo two
EOF
RUN <<-EOF
		tabs go
	EOF
RUN <<'EOF' python3 3<<"X Y"
print("$HOME")
EOF
inner
X Y
COPY <<one.txt <<-"two.txt" existing /dest/
$A
one.txt
	no $A
	two.txt
ADD <<EOF /x
EOF
RUN cat <<EOF > /y && echo "quoted <<NOT" '<<NEITHER' #!COMMIT
a
EOF
RUN echo a<<b
CMD cat <<EOF
