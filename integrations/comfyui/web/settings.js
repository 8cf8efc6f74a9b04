import { app } from '../../scripts/app.js';

// Settings are kept by ComfyUI's server, and not in workflows or images.
app.registerExtension({
  name: 'ReflectionFlow',
  settings: [
    { id: 'ReflectionFlow.key', category: ['ReflectionFlow', 'Server', 'Key'], name: 'API key, where the server wants one', type: 'text', defaultValue: '', attrs: { type: 'password', autocomplete: 'off' } },
    { id: 'ReflectionFlow.url', category: ['ReflectionFlow', 'Server', 'Address'], name: 'Address of the server', type: 'text', defaultValue: 'http://127.0.0.1:8080' },
  ],
});
