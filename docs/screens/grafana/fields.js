// Options of fields as Grafana applies them: units, thresholds, mappings, colours, names and overrides.
import {
  applyFieldOverrides,
  cacheFieldDisplayNames,
  FieldConfigOptionsRegistry,
  identityOverrideProcessor,
  standardTransformers,
  standardTransformersRegistry,
  toDataFrame,
  transformDataFrame,
} from '@grafana/data';
import { firstValueFrom } from 'rxjs';

const STANDARD = ['unit', 'decimals', 'min', 'max', 'displayName', 'noValue', 'thresholds', 'mappings', 'color', 'links', 'filterable', 'description', 'actions'];
const CUSTOM = [
  'drawStyle', 'lineWidth', 'lineInterpolation', 'fillOpacity', 'gradientMode', 'showPoints', 'pointSize', 'spanNulls',
  'stacking', 'axisPlacement', 'axisLabel', 'axisColorMode', 'axisGridShow', 'axisCenteredZero', 'scaleDistribution',
  'hideFrom', 'thresholdsStyle', 'barAlignment', 'barWidthFactor', 'lineStyle', 'axisSoftMin', 'axisSoftMax', 'axisWidth', 'axisBorderShow',
  'cellOptions', 'width', 'minWidth', 'align', 'hidden', 'inspect', 'filterable', 'wrapText', 'wrapHeaderText', 'hideFrom.viz', 'insertNulls', 'fillBelowTo',
];

const entry = (id, isCustom) => ({
  id: isCustom ? `custom.${id}` : id,
  path: id,
  name: id,
  isCustom,
  hideFromDefaults: false,
  hideFromOverrides: false,
  editor: () => null,
  override: () => null,
  process: identityOverrideProcessor,
  shouldApply: () => true,
  getItemsCount: () => 0,
});

const registry = new FieldConfigOptionsRegistry(() => [
  ...STANDARD.map((id) => entry(id, false)),
  ...CUSTOM.map((id) => entry(id, true)),
]);

// Some stand under two names.
const transformers = new Map(Object.values(standardTransformers).map((one) => [one.id, one]));
standardTransformersRegistry.setInit(() =>
  [...transformers.values()].map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    transformation: async () => transformation,
    editor: () => null,
  }))
);

/** The frames of a panel as its visualization gets them. */
export async function prepared(panel, frames, theme) {
  const data = frames.map((frame) => toDataFrame(frame));
  const context = { interpolate: (text) => text };
  const changed = await firstValueFrom(transformDataFrame(panel.transformations ?? [], data, context));
  const applied = applyFieldOverrides({
    data: changed,
    fieldConfig: { defaults: panel.fieldConfig?.defaults ?? {}, overrides: panel.fieldConfig?.overrides ?? [] },
    fieldConfigRegistry: registry,
    replaceVariables: (text) => text,
    theme,
    timeZone: 'Asia/Shanghai',
  });
  // Transformations have cached the names that the fields had before.
  for (const frame of applied) {
    for (const field of frame.fields) {
      field.state = { ...field.state, displayName: null };
    }
  }
  cacheFieldDisplayNames(applied);
  return applied;
}
