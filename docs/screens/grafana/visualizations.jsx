// Which component draws a panel: Grafana's own where its package has one, else one of `drawn.jsx`.
import { getFieldDisplayValues, VizOrientation } from '@grafana/data';
import { BarGauge, BarGaugeDisplayMode, BigValue, BigValueColorMode, BigValueGraphMode, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import React from 'react';

import { BarChart, MapOfPlaces, PieChart, Scatter, StateTimeline } from './drawn.jsx';

const centred = { display: 'flex', alignItems: 'center', justifyContent: 'center', height: '100%', fontSize: 22 };

function values({ panel, frames, theme }) {
  return getFieldDisplayValues({
    data: frames,
    fieldConfig: { defaults: panel.fieldConfig?.defaults ?? {}, overrides: [] },
    reduceOptions: panel.options.reduceOptions ?? { calcs: ['lastNotNull'] },
    replaceVariables: (text) => text,
    theme,
    timeZone: 'Asia/Shanghai',
  });
}

function Repeated({ panel, frames, width, height, theme, children }) {
  return (
    <VizRepeater
      getValues={() => values({ panel, frames, theme })}
      source={frames}
      width={width}
      height={height}
      renderCounter={0}
      itemSpacing={6}
      autoGrid={panel.type !== 'bargauge'}
      orientation={panel.options.orientation ?? VizOrientation.Auto}
      renderValue={({ value, width, height, orientation }) => children(value, width, height, orientation)}
    />
  );
}

function Stat(props) {
  const { panel, theme } = props;
  return (
    <Repeated {...props}>
      {(value, width, height) => (
        <BigValue
          theme={theme}
          width={width}
          height={height}
          value={value.display}
          sparkline={panel.options.graphMode === 'area' ? value.sparkline : undefined}
          colorMode={panel.options.colorMode ?? BigValueColorMode.Value}
          graphMode={panel.options.graphMode ?? BigValueGraphMode.None}
          justifyMode={panel.options.justifyMode}
          textMode={panel.options.textMode ?? 'auto'}
          text={panel.options.text}
          wideLayout={panel.options.wideLayout}
        />
      )}
    </Repeated>
  );
}

function Bars(props) {
  const { panel, theme } = props;
  return (
    <Repeated {...props}>
      {(value, width, height, orientation) => (
        <BarGauge
          theme={theme}
          width={width}
          height={height}
          orientation={orientation}
          field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex)}
          value={value.display}
          text={panel.options.text}
          displayMode={panel.options.displayMode ?? BarGaugeDisplayMode.Gradient}
          showUnfilled={panel.options.showUnfilled ?? true}
          valueDisplayMode={panel.options.valueMode}
          namePlacement={panel.options.namePlacement}
        />
      )}
    </Repeated>
  );
}

function Lines({ panel, frames, width, height, range }) {
  const legend = { displayMode: 'list', placement: 'bottom', calcs: [], showLegend: true, ...panel.options.legend };
  return (
    <TimeSeries
      frames={frames}
      width={width}
      height={height}
      timeRange={range}
      timeZone="Asia/Shanghai"
      legend={legend}
      options={panel.options}
      structureRev={1}
    />
  );
}

function Rows({ panel, frames, width, height, theme, range }) {
  return (
    <TableNG
      data={frames[0]}
      width={width}
      height={height}
      noHeader={panel.options.showHeader === false}
      cellHeight={panel.options.cellHeight}
      fieldConfig={panel.fieldConfig}
      timeRange={range}
      structureRev={1}
      noValue={panel.fieldConfig?.defaults?.noValue}
      enableVirtualization={false}
    />
  );
}

const BY_TYPE = {
  stat: Stat,
  gauge: Stat,
  bargauge: Bars,
  timeseries: Lines,
  table: Rows,
  barchart: BarChart,
  piechart: PieChart,
  'state-timeline': StateTimeline,
  geomap: MapOfPlaces,
  xychart: Scatter,
};

/** What Grafana says where a panel has nothing, or the picture of what it has. */
export function Visualization(props) {
  const { panel, frames } = props;
  if (panel.type === 'text') {
    return <div style={{ padding: 8, whiteSpace: 'pre-wrap' }}>{panel.options.content}</div>;
  }
  const empty = !frames.some((frame) => frame.length > 0);
  if (empty && panel.type !== 'stat') {
    return <div style={centred}>{panel.fieldConfig?.defaults?.noValue ?? 'No data'}</div>;
  }
  const Component = BY_TYPE[panel.type];
  if (Component === undefined) {
    throw new Error(`panel ${panel.title}: nothing draws the type ${panel.type}`);
  }
  return <Component {...props} />;
}
