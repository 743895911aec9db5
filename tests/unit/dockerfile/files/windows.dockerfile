# escape=`
FROM a`
:b
RUN dir C:\x `
# c

  two
COPY <<E /x
line
E
RUN last `