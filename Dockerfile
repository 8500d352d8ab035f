# One image for every role: `cairn serve`, or `cairn service ROLE` (docker-compose.yml).
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
# better-sqlite3 is compiled where its prebuilt file cannot be fetched.
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends python3 make g++ \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json ./
# Of all packages only this one needs its install script.
RUN npm ci --ignore-scripts --no-audit --no-fund && npm rebuild better-sqlite3
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${NODE_IMAGE}
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    CAIRN_DATA=/data
WORKDIR /app
# A named volume takes the owner of the folder that it is first mounted on.
RUN mkdir -m 0700 /data && chown node:node /data
COPY --from=build /app/package.json /app/LICENSE /app/docs/licences.md ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER node
ENTRYPOINT ["node", "--enable-source-maps", "dist/cairn.js"]
CMD ["serve"]
