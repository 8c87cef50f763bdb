# The bundle and the prebuilt SQLite are the same for every platform, so this stage runs on the builder's own. Nothing is compiled.
FROM --platform=$BUILDPLATFORM node:24-bookworm-slim AS build
WORKDIR /app
COPY . .
RUN npm ci && npm prune --omit=dev --ignore-scripts && rm -rf node_modules/better-sqlite3/deps node_modules/better-sqlite3/src

FROM node:24-bookworm-slim
LABEL org.opencontainers.image.title="proxmox-mcp" \
      org.opencontainers.image.description="MCP server through which LLM agents run Proxmox VE clusters safely" \
      org.opencontainers.image.source="https://github.com/proxmox-mcp/proxmox-mcp" \
      org.opencontainers.image.documentation="https://github.com/proxmox-mcp/proxmox-mcp/blob/main/docs/deployment.md" \
      org.opencontainers.image.licenses="MIT" \
      io.modelcontextprotocol.server.name="io.github.proxmox-mcp/proxmox-mcp"
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/deploy/healthcheck.mjs ./
# Compiled code for the commands that agents start, and a snapshot of the process: docs/decisions/0016. Both belong to this very Node.
RUN PROXMOX_DATA_DIR=/tmp/warm node dist/cli.js call list_vms --demo >/dev/null && rm -rf /tmp/warm && dist/proxmox-mcp.sh --build-snapshot
# Database, pinned certificate and audit trail: keep them in a volume.
RUN install -d -o node -g node -m 700 /data
ENV PROXMOX_DATA_DIR=/data NODE_ENV=production
VOLUME /data
USER node
# `http`: the server answers and can serve calls. Any other command: it runs.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["node", "/app/healthcheck.mjs"]
# stdio: docker run -i --rm -v proxmox-mcp:/data -e PROXMOX_HOST -e PROXMOX_TOKEN_ID -e PROXMOX_TOKEN_SECRET proxmox-mcp
# HTTP:  docker run … -p 127.0.0.1:8808:8808 -e PROXMOX_HTTP_PUBLIC_URL=https://mcp.example.org proxmox-mcp http --host 0.0.0.0
#        after `docker run … proxmox-mcp tokens add …`, behind a proxy that does TLS; or with --cert and --key. docs/deployment.md has it whole.
# A folder of the host instead of a volume has to belong to user 1000. Any other command works likewise: docker run … proxmox-mcp doctor
ENTRYPOINT ["/app/dist/proxmox-mcp.sh"]
CMD ["stdio"]
