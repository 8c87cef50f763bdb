# The whole toolchain builds; the image that runs holds Node, the bundle and one native module.
FROM node:22-bookworm AS build
WORKDIR /app
COPY . .
RUN npm ci && npm prune --omit=dev --ignore-scripts

FROM node:22-bookworm-slim
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# Database, pinned certificate and audit trail: keep them in a volume.
RUN install -d -o node -g node -m 700 /data
ENV PROXMOX_DATA_DIR=/data NODE_ENV=production
VOLUME /data
USER node
# stdio: docker run -i --rm -v proxmox-mcp:/data -e PROXMOX_HOST -e PROXMOX_TOKEN_ID -e PROXMOX_TOKEN_SECRET proxmox-mcp
# HTTP:  docker run … -p 127.0.0.1:8808:8808 -e PROXMOX_HTTP_PUBLIC_URL=https://mcp.example.org proxmox-mcp http --host 0.0.0.0
#        after `docker run … proxmox-mcp tokens add …`, behind a proxy that does TLS; or with --cert and --key. docs/deployment.md has it whole.
# A folder of the host instead of a volume has to belong to user 1000. Any other command works likewise: docker run … proxmox-mcp doctor
ENTRYPOINT ["node", "/app/dist/cli.js"]
CMD ["stdio"]
