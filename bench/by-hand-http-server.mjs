// JSON-RPC by hand on node:http, without any library: the floor of a server over HTTP. `list_vms` makes the GET that the product makes.
import { createServer } from 'node:http';
import { getGuests } from './get.mjs';

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', async () => {
    const { id, params } = JSON.parse(Buffer.concat(chunks).toString());
    const text = params.name === 'list_vms' ? await getGuests() : params.arguments.text;
    const result = { content: [{ type: 'text', text }], structuredContent: { text } };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id, result }));
  });
});
server.listen(0, '127.0.0.1', () => console.error(`http://127.0.0.1:${server.address().port}/mcp`));
