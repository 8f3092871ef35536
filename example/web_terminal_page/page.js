// Connects a terminal of xterm.js with the server. Binary messages are keys and output, text messages are
// `size ROWS COLUMNS`, which the page sends first, and `shown BYTES`. The server closes with the child's exit status.
const terminal = new Terminal();
const fit = new FitAddon.FitAddon();
const element = document.getElementById('terminal');
terminal.loadAddon(fit);
terminal.open(element);
fit.fit();
terminal.focus();

const socket = new WebSocket(`${location.protocol.replace('http', 'ws')}//${location.host}/terminal`);
socket.binaryType = 'arraybuffer';

socket.onopen = () => {
  const sendSize = () => socket.send(`size ${terminal.rows} ${terminal.cols}`);
  sendSize();
  terminal.onResize(sendSize);
  terminal.onData(text => socket.send(new TextEncoder().encode(text)));
  terminal.onBinary(bytes => socket.send(Uint8Array.from(bytes, byte => byte.charCodeAt(0))));
};
socket.onmessage = ({ data }) =>
  terminal.write(new Uint8Array(data), () => socket.send(`shown ${data.byteLength}`));
socket.onclose = ({ reason }) => terminal.write(`\r\n[${reason || 'connection lost'}]\r\n`);

new ResizeObserver(() => fit.fit()).observe(element);
