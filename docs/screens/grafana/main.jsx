// Draws one dashboard from its committed JSON and from answers of real queries, with Grafana's own components.
// window.BOARD = { dashboard, frames: { panelId: [frame] }, from, to, width }
import { createTheme, dateTime, ThemeContext } from '@grafana/data';
import { GlobalStyles, PanelChrome } from '@grafana/ui';
import React from 'react';
import { createRoot } from 'react-dom/client';

import { prepared } from './fields.js';
import { Visualization } from './visualizations.jsx';

const CELL_HEIGHT = 30;
const GAP = 8;

const theme = createTheme({ colors: { mode: 'dark' } });
const board = window.BOARD;
const range = { from: dateTime(board.from), to: dateTime(board.to), raw: { from: dateTime(board.from), to: dateTime(board.to) } };

function place({ x, y, w, h }) {
  const column = (board.width - GAP) / 24;
  return {
    left: GAP + x * column,
    top: GAP + y * (CELL_HEIGHT + GAP),
    width: w * column - GAP,
    height: h * (CELL_HEIGHT + GAP) - GAP,
  };
}

function Panel({ panel, frames }) {
  const box = place(panel.gridPos);
  if (panel.type === 'row') {
    return <h3 style={{ position: 'absolute', ...box, margin: 0, lineHeight: `${box.height}px`, fontSize: 16 }}>{panel.title}</h3>;
  }
  return (
    <div style={{ position: 'absolute', ...box }} id={`panel-${panel.id}`}>
      <PanelChrome title={panel.title} width={box.width} height={box.height} displayMode={panel.transparent ? 'transparent' : 'default'}>
        {(width, height) => <Visualization panel={panel} frames={frames} width={width} height={height} theme={theme} range={range} />}
      </PanelChrome>
    </div>
  );
}

async function draw() {
  const panels = board.dashboard.panels;
  const frames = await Promise.all(
    panels.map((panel) => (panel.type === 'row' ? [] : prepared(panel, board.frames[panel.id] ?? [], theme)))
  );
  const bottom = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  createRoot(document.getElementById('root')).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles isExtensionPage={false} />
      <div style={{ position: 'relative', width: board.width, height: GAP + bottom * (CELL_HEIGHT + GAP) + 40, background: theme.colors.background.canvas }}>
        <div style={{ padding: '8px 12px', fontSize: 18, fontWeight: 500 }}>
          {board.dashboard.title}
          <span style={{ fontSize: 12, color: theme.colors.text.secondary, marginLeft: 16 }}>{board.chosen}</span>
        </div>
        <div style={{ position: 'relative' }}>
          {panels.map((panel, index) => <Panel key={panel.id} panel={panel} frames={frames[index]} />)}
        </div>
      </div>
    </ThemeContext.Provider>
  );
}

draw().then(() => {
  document.title = 'drawn';
}, (error) => {
  document.title = `failed: ${error.stack}`;
});
