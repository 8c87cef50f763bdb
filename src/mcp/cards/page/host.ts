// The protocol between a card and its host: JSON-RPC over postMessage (MCP Apps, 2026-01-26). A card asks for one thing, that a link is opened.

export interface Host {
  /** Whether the host offered to open links. */
  opensLinks: boolean;
  openLink(url: string): void;
}

interface Message {
  id?: number | string;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
}

interface Hooks {
  onResult(result: Record<string, unknown>, host: Host): void;
  onCancelled(): void;
}

const INITIALIZE = 1;

export function connect({ onResult, onCancelled }: Hooks): void {
  const host: Host = {
    opensLinks: false,
    openLink: (url) => send({ id: ++asked, method: 'ui/open-link', params: { url } }),
  };
  let asked = INITIALIZE;

  function receive(message: Message): void {
    const { id, method, params = {}, result } = message;
    if (method === undefined) {
      if (id !== INITIALIZE || result === undefined) return;
      host.opensLinks = (result.hostCapabilities as { openLinks?: object } | undefined)?.openLinks !== undefined;
      useTheme(result.hostContext);
      send({ method: 'ui/notifications/initialized', params: {} });
      tellSize();
      return;
    }
    if (method === 'ui/notifications/tool-result') onResult(params, host);
    if (method === 'ui/notifications/tool-cancelled') onCancelled();
    if (method === 'ui/notifications/host-context-changed') useTheme(params);
    if (id === undefined) return;
    if (method === 'ui/resource-teardown' || method === 'ping') send({ id, result: {} });
    else send({ id, error: { code: -32601, message: `A card does not answer ${method.slice(0, 60)}.` } });
  }

  window.addEventListener('message', ({ source, data }: MessageEvent) => {
    // Any window may post; the host alone is above this one.
    if (source === window.parent && data?.jsonrpc === '2.0') receive(data as Message);
  });
  new ResizeObserver(tellSize).observe(document.body);
  const params = { protocolVersion: '2026-01-26', appInfo: { name: 'proxmox-mcp-card', version: '1' }, appCapabilities: {} };
  send({ id: INITIALIZE, method: 'ui/initialize', params });
}

function send(message: object): void {
  window.parent.postMessage({ jsonrpc: '2.0', ...message }, '*');
}

let told = 0;
function tellSize(): void {
  const height = Math.ceil(document.body.getBoundingClientRect().height);
  if (height === told) return;
  told = height;
  send({ method: 'ui/notifications/size-changed', params: { height } });
}

function useTheme(context: unknown): void {
  const { theme } = (context ?? {}) as { theme?: unknown };
  if (theme === 'dark' || theme === 'light') document.documentElement.style.colorScheme = theme;
}
