//! The part of COVESA VSS 6.0 that a gateway of this kind needs, as the standard has it.
//!
//! A static table, sorted by path, instances spelled out. A test compares every entry with the published
//! specification. Leaves whose values cannot come out of a CAN signal (lists, free text) are left out; what is missing
//! a profile can declare as an overlay.

use VssType::{Boolean, Double, Float, Int8, Int16, Int32, Label, Uint8, Uint16, Uint32};

use super::Datatype;

/// The data types of VSS leaves, as far as a CAN signal can carry them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VssType {
    /// `boolean`
    Boolean,
    /// `int8`
    Int8,
    /// `int16`
    Int16,
    /// `int32`
    Int32,
    /// `uint8`
    Uint8,
    /// `uint16`
    Uint16,
    /// `uint32`
    Uint32,
    /// `float`
    Float,
    /// `double`
    Double,
    /// `string` with a list of allowed values
    Label,
}

impl VssType {
    /// The name in VSS.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Boolean => "boolean",
            Int8 => "int8",
            Int16 => "int16",
            Int32 => "int32",
            Uint8 => "uint8",
            Uint16 => "uint16",
            Uint32 => "uint32",
            Float => "float",
            Double => "double",
            Label => "string",
        }
    }

    /// The type of that name in VSS.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Boolean, Int8, Int16, Int32, Uint8, Uint16, Uint32, Float, Double, Label]
            .into_iter()
            .find(|datatype| datatype.name() == name)
    }

    /// What holds such values here.
    #[must_use]
    pub const fn datatype(self) -> Datatype {
        match self {
            Boolean => Datatype::Bool,
            Int8 | Int16 | Int32 | Uint8 | Uint16 | Uint32 => Datatype::Int,
            Float | Double => Datatype::Float,
            Label => Datatype::Label,
        }
    }

    /// The smallest and the largest number that the type can hold.
    #[must_use]
    pub const fn bounds(self) -> (f64, f64) {
        match self {
            Boolean => (0.0, 1.0),
            Int8 => (-128.0, 127.0),
            Int16 => (-32_768.0, 32_767.0),
            Int32 => (-2_147_483_648.0, 2_147_483_647.0),
            Uint8 => (0.0, 255.0),
            Uint16 | Label => (0.0, 65_535.0),
            Uint32 => (0.0, 4_294_967_295.0),
            Float => (f32::MIN as f64, f32::MAX as f64),
            Double => (f64::MIN, f64::MAX),
        }
    }
}

/// What VSS says of a leaf.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leaf {
    /// The data type.
    pub datatype: VssType,
    /// The unit; empty where there is none.
    pub unit: &'static str,
    /// The smallest allowed value.
    pub min: Option<f64>,
    /// The largest allowed value.
    pub max: Option<f64>,
    /// The allowed values of a [`VssType::Label`].
    pub allowed: &'static [&'static str],
}

/// The leaf at that path, if the catalogue has it.
#[must_use]
pub fn lookup(path: &str) -> Option<Leaf> {
    let index = CATALOGUE.binary_search_by_key(&path, |(path, _)| path).ok()?;
    CATALOGUE.get(index).map(|(_, leaf)| *leaf)
}

/// Where the car is can be told from the signal at that path.
#[must_use]
pub fn tells_position(path: &str) -> bool {
    path.starts_with("Vehicle.CurrentLocation.") || path.contains(".Location.")
}

/// A leaf of `boolean`.
pub(super) const SWITCH: Leaf = number(Boolean, "");

/// A leaf of a number type, with its unit and without limits of its own.
pub(super) const fn number(datatype: VssType, unit: &'static str) -> Leaf {
    Leaf { datatype, unit, min: None, max: None, allowed: &[] }
}

/// A leaf of `string` with these allowed values.
pub(super) const fn label(allowed: &'static [&'static str]) -> Leaf {
    Leaf { datatype: Label, unit: "", min: None, max: None, allowed }
}

const fn above(datatype: VssType, unit: &'static str, min: f64) -> Leaf {
    Leaf { min: Some(min), ..number(datatype, unit) }
}

const fn below(datatype: VssType, unit: &'static str, max: f64) -> Leaf {
    Leaf { max: Some(max), ..number(datatype, unit) }
}

const fn between(datatype: VssType, unit: &'static str, min: f64, max: f64) -> Leaf {
    Leaf { min: Some(min), max: Some(max), ..number(datatype, unit) }
}

/// Every leaf, sorted by path.
pub const CATALOGUE: &[(&str, Leaf)] = &[
    ("Vehicle.ADAS.ABS.IsEnabled", SWITCH),
    ("Vehicle.ADAS.ABS.IsEngaged", SWITCH),
    ("Vehicle.ADAS.ABS.IsError", SWITCH),
    ("Vehicle.ADAS.CruiseControl.IsActive", SWITCH),
    ("Vehicle.ADAS.CruiseControl.IsEnabled", SWITCH),
    ("Vehicle.ADAS.CruiseControl.IsError", SWITCH),
    ("Vehicle.ADAS.CruiseControl.SpeedSet", number(Float, "km/h")),
    ("Vehicle.ADAS.DMS.IsError", SWITCH),
    ("Vehicle.ADAS.DMS.IsWarning", SWITCH),
    ("Vehicle.ADAS.EBA.IsEnabled", SWITCH),
    ("Vehicle.ADAS.EBA.IsEngaged", SWITCH),
    ("Vehicle.ADAS.EBA.IsError", SWITCH),
    ("Vehicle.ADAS.ESC.IsEnabled", SWITCH),
    ("Vehicle.ADAS.ESC.IsEngaged", SWITCH),
    ("Vehicle.ADAS.ESC.IsError", SWITCH),
    ("Vehicle.ADAS.LaneDepartureDetection.IsError", SWITCH),
    ("Vehicle.ADAS.LaneDepartureDetection.IsWarning", SWITCH),
    ("Vehicle.ADAS.TCS.IsEnabled", SWITCH),
    ("Vehicle.ADAS.TCS.IsEngaged", SWITCH),
    ("Vehicle.ADAS.TCS.IsError", SWITCH),
    ("Vehicle.Acceleration.Lateral", number(Float, "m/s^2")),
    ("Vehicle.Acceleration.Longitudinal", number(Float, "m/s^2")),
    ("Vehicle.Acceleration.Vertical", number(Float, "m/s^2")),
    ("Vehicle.AngularVelocity.Pitch", number(Float, "degrees/s")),
    ("Vehicle.AngularVelocity.Roll", number(Float, "degrees/s")),
    ("Vehicle.AngularVelocity.Yaw", number(Float, "degrees/s")),
    ("Vehicle.AverageSpeed", number(Float, "km/h")),
    ("Vehicle.Body.Hood.IsOpen", SWITCH),
    ("Vehicle.Body.Horn.IsActive", SWITCH),
    ("Vehicle.Body.Lights.Backup.IsDefect", SWITCH),
    ("Vehicle.Body.Lights.Backup.IsOn", SWITCH),
    ("Vehicle.Body.Lights.Beam.High.IsDefect", SWITCH),
    ("Vehicle.Body.Lights.Beam.High.IsOn", SWITCH),
    ("Vehicle.Body.Lights.Beam.Low.IsDefect", SWITCH),
    ("Vehicle.Body.Lights.Beam.Low.IsOn", SWITCH),
    ("Vehicle.Body.Lights.Brake.IsActive", label(&["INACTIVE", "ACTIVE", "ADAPTIVE"])),
    ("Vehicle.Body.Lights.Brake.IsDefect", SWITCH),
    ("Vehicle.Body.Lights.DirectionIndicator.Left.IsDefect", SWITCH),
    ("Vehicle.Body.Lights.DirectionIndicator.Left.IsSignaling", SWITCH),
    ("Vehicle.Body.Lights.DirectionIndicator.Right.IsDefect", SWITCH),
    ("Vehicle.Body.Lights.DirectionIndicator.Right.IsSignaling", SWITCH),
    ("Vehicle.Body.Lights.Fog.Front.IsDefect", SWITCH),
    ("Vehicle.Body.Lights.Fog.Front.IsOn", SWITCH),
    ("Vehicle.Body.Lights.Fog.Rear.IsDefect", SWITCH),
    ("Vehicle.Body.Lights.Fog.Rear.IsOn", SWITCH),
    ("Vehicle.Body.Lights.Hazard.IsDefect", SWITCH),
    ("Vehicle.Body.Lights.Hazard.IsSignaling", SWITCH),
    ("Vehicle.Body.Lights.LicensePlate.IsDefect", SWITCH),
    ("Vehicle.Body.Lights.LightSwitch", label(&["OFF", "POSITION", "DAYTIME_RUNNING_LIGHTS", "AUTO", "BEAM"])),
    ("Vehicle.Body.Lights.Parking.IsDefect", SWITCH),
    ("Vehicle.Body.Lights.Parking.IsOn", SWITCH),
    ("Vehicle.Body.Lights.Running.IsDefect", SWITCH),
    ("Vehicle.Body.Lights.Running.IsOn", SWITCH),
    ("Vehicle.Body.Mirrors.DriverSide.IsHeatingOn", SWITCH),
    ("Vehicle.Body.Mirrors.PassengerSide.IsHeatingOn", SWITCH),
    ("Vehicle.Body.Raindetection.Intensity", below(Uint8, "percent", 100.0)),
    ("Vehicle.Body.Trunk.Front.IsLocked", SWITCH),
    ("Vehicle.Body.Trunk.Front.IsOpen", SWITCH),
    ("Vehicle.Body.Trunk.Rear.IsLocked", SWITCH),
    ("Vehicle.Body.Trunk.Rear.IsOpen", SWITCH),
    ("Vehicle.Body.Windshield.Front.IsHeatingOn", SWITCH),
    ("Vehicle.Body.Windshield.Front.WasherFluid.IsLevelLow", SWITCH),
    ("Vehicle.Body.Windshield.Front.WasherFluid.Level", below(Uint8, "percent", 100.0)),
    ("Vehicle.Body.Windshield.Front.Wiping.Mode", label(&["OFF", "SLOW", "MEDIUM", "FAST", "INTERVAL", "RAIN_SENSOR"])),
    ("Vehicle.Body.Windshield.Rear.IsHeatingOn", SWITCH),
    ("Vehicle.Body.Windshield.Rear.WasherFluid.IsLevelLow", SWITCH),
    ("Vehicle.Body.Windshield.Rear.WasherFluid.Level", below(Uint8, "percent", 100.0)),
    ("Vehicle.Body.Windshield.Rear.Wiping.Mode", label(&["OFF", "SLOW", "MEDIUM", "FAST", "INTERVAL", "RAIN_SENSOR"])),
    ("Vehicle.Cabin.Convertible.Status", label(&["UNDEFINED", "CLOSED", "OPEN", "CLOSING", "OPENING", "STALLED"])),
    ("Vehicle.Cabin.Door.Row1.DriverSide.IsChildLockActive", SWITCH),
    ("Vehicle.Cabin.Door.Row1.DriverSide.IsLocked", SWITCH),
    ("Vehicle.Cabin.Door.Row1.DriverSide.IsOpen", SWITCH),
    ("Vehicle.Cabin.Door.Row1.DriverSide.Window.IsOpen", SWITCH),
    ("Vehicle.Cabin.Door.Row1.DriverSide.Window.Position", between(Uint8, "percent", 0.0, 100.0)),
    ("Vehicle.Cabin.Door.Row1.PassengerSide.IsChildLockActive", SWITCH),
    ("Vehicle.Cabin.Door.Row1.PassengerSide.IsLocked", SWITCH),
    ("Vehicle.Cabin.Door.Row1.PassengerSide.IsOpen", SWITCH),
    ("Vehicle.Cabin.Door.Row1.PassengerSide.Window.IsOpen", SWITCH),
    ("Vehicle.Cabin.Door.Row1.PassengerSide.Window.Position", between(Uint8, "percent", 0.0, 100.0)),
    ("Vehicle.Cabin.Door.Row2.DriverSide.IsChildLockActive", SWITCH),
    ("Vehicle.Cabin.Door.Row2.DriverSide.IsLocked", SWITCH),
    ("Vehicle.Cabin.Door.Row2.DriverSide.IsOpen", SWITCH),
    ("Vehicle.Cabin.Door.Row2.DriverSide.Window.IsOpen", SWITCH),
    ("Vehicle.Cabin.Door.Row2.DriverSide.Window.Position", between(Uint8, "percent", 0.0, 100.0)),
    ("Vehicle.Cabin.Door.Row2.PassengerSide.IsChildLockActive", SWITCH),
    ("Vehicle.Cabin.Door.Row2.PassengerSide.IsLocked", SWITCH),
    ("Vehicle.Cabin.Door.Row2.PassengerSide.IsOpen", SWITCH),
    ("Vehicle.Cabin.Door.Row2.PassengerSide.Window.IsOpen", SWITCH),
    ("Vehicle.Cabin.Door.Row2.PassengerSide.Window.Position", between(Uint8, "percent", 0.0, 100.0)),
    ("Vehicle.Cabin.HVAC.AmbientAirTemperature", number(Float, "Celsius")),
    ("Vehicle.Cabin.HVAC.IsAirConditioningActive", SWITCH),
    ("Vehicle.Cabin.HVAC.IsFrontDefrosterActive", SWITCH),
    ("Vehicle.Cabin.HVAC.IsRearDefrosterActive", SWITCH),
    ("Vehicle.Cabin.HVAC.IsRecirculationActive", SWITCH),
    ("Vehicle.Cabin.HVAC.Station.Row1.Driver.FanSpeed", between(Uint8, "percent", 0.0, 100.0)),
    ("Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature", number(Float, "Celsius")),
    ("Vehicle.Cabin.HVAC.Station.Row1.Passenger.FanSpeed", between(Uint8, "percent", 0.0, 100.0)),
    ("Vehicle.Cabin.HVAC.Station.Row1.Passenger.Temperature", number(Float, "Celsius")),
    ("Vehicle.Cabin.HVAC.Station.Row2.Driver.FanSpeed", between(Uint8, "percent", 0.0, 100.0)),
    ("Vehicle.Cabin.HVAC.Station.Row2.Driver.Temperature", number(Float, "Celsius")),
    ("Vehicle.Cabin.HVAC.Station.Row2.Passenger.FanSpeed", between(Uint8, "percent", 0.0, 100.0)),
    ("Vehicle.Cabin.HVAC.Station.Row2.Passenger.Temperature", number(Float, "Celsius")),
    ("Vehicle.Cabin.IsWindowChildLockEngaged", SWITCH),
    ("Vehicle.Cabin.Seat.Row1.DriverSide.Airbag.IsDeployed", SWITCH),
    ("Vehicle.Cabin.Seat.Row1.DriverSide.Airbag.IsEnabled", SWITCH),
    ("Vehicle.Cabin.Seat.Row1.DriverSide.HeatingCooling", between(Int8, "percent", -100.0, 100.0)),
    ("Vehicle.Cabin.Seat.Row1.DriverSide.IsBelted", SWITCH),
    ("Vehicle.Cabin.Seat.Row1.DriverSide.OccupancyStatus", label(&["UNKNOWN", "OCCUPIED", "EMPTY"])),
    ("Vehicle.Cabin.Seat.Row1.Middle.Airbag.IsDeployed", SWITCH),
    ("Vehicle.Cabin.Seat.Row1.Middle.Airbag.IsEnabled", SWITCH),
    ("Vehicle.Cabin.Seat.Row1.Middle.IsBelted", SWITCH),
    ("Vehicle.Cabin.Seat.Row1.Middle.OccupancyStatus", label(&["UNKNOWN", "OCCUPIED", "EMPTY"])),
    ("Vehicle.Cabin.Seat.Row1.PassengerSide.Airbag.IsDeployed", SWITCH),
    ("Vehicle.Cabin.Seat.Row1.PassengerSide.Airbag.IsEnabled", SWITCH),
    ("Vehicle.Cabin.Seat.Row1.PassengerSide.HeatingCooling", between(Int8, "percent", -100.0, 100.0)),
    ("Vehicle.Cabin.Seat.Row1.PassengerSide.IsBelted", SWITCH),
    ("Vehicle.Cabin.Seat.Row1.PassengerSide.OccupancyStatus", label(&["UNKNOWN", "OCCUPIED", "EMPTY"])),
    ("Vehicle.Cabin.Seat.Row2.DriverSide.Airbag.IsDeployed", SWITCH),
    ("Vehicle.Cabin.Seat.Row2.DriverSide.Airbag.IsEnabled", SWITCH),
    ("Vehicle.Cabin.Seat.Row2.DriverSide.IsBelted", SWITCH),
    ("Vehicle.Cabin.Seat.Row2.DriverSide.OccupancyStatus", label(&["UNKNOWN", "OCCUPIED", "EMPTY"])),
    ("Vehicle.Cabin.Seat.Row2.Middle.Airbag.IsDeployed", SWITCH),
    ("Vehicle.Cabin.Seat.Row2.Middle.Airbag.IsEnabled", SWITCH),
    ("Vehicle.Cabin.Seat.Row2.Middle.IsBelted", SWITCH),
    ("Vehicle.Cabin.Seat.Row2.Middle.OccupancyStatus", label(&["UNKNOWN", "OCCUPIED", "EMPTY"])),
    ("Vehicle.Cabin.Seat.Row2.PassengerSide.Airbag.IsDeployed", SWITCH),
    ("Vehicle.Cabin.Seat.Row2.PassengerSide.Airbag.IsEnabled", SWITCH),
    ("Vehicle.Cabin.Seat.Row2.PassengerSide.IsBelted", SWITCH),
    ("Vehicle.Cabin.Seat.Row2.PassengerSide.OccupancyStatus", label(&["UNKNOWN", "OCCUPIED", "EMPTY"])),
    ("Vehicle.Cabin.Sunroof.Position", between(Int8, "percent", -100.0, 100.0)),
    ("Vehicle.Chassis.Accelerator.PedalPosition", between(Uint8, "percent", 0.0, 100.0)),
    ("Vehicle.Chassis.Axle.Row1.SteeringAngle", number(Float, "degrees")),
    ("Vehicle.Chassis.Axle.Row1.Wheel.Left.AngularSpeed", number(Float, "degrees/s")),
    ("Vehicle.Chassis.Axle.Row1.Wheel.Left.Brake.IsBrakesWorn", SWITCH),
    ("Vehicle.Chassis.Axle.Row1.Wheel.Left.Brake.IsFluidLevelLow", SWITCH),
    ("Vehicle.Chassis.Axle.Row1.Wheel.Left.Brake.PadWear", below(Uint8, "percent", 100.0)),
    ("Vehicle.Chassis.Axle.Row1.Wheel.Left.Speed", number(Float, "km/h")),
    ("Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.IsPressureLow", SWITCH),
    ("Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure", number(Uint16, "kPa")),
    ("Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Temperature", number(Float, "Celsius")),
    ("Vehicle.Chassis.Axle.Row1.Wheel.Right.AngularSpeed", number(Float, "degrees/s")),
    ("Vehicle.Chassis.Axle.Row1.Wheel.Right.Brake.IsBrakesWorn", SWITCH),
    ("Vehicle.Chassis.Axle.Row1.Wheel.Right.Brake.IsFluidLevelLow", SWITCH),
    ("Vehicle.Chassis.Axle.Row1.Wheel.Right.Brake.PadWear", below(Uint8, "percent", 100.0)),
    ("Vehicle.Chassis.Axle.Row1.Wheel.Right.Speed", number(Float, "km/h")),
    ("Vehicle.Chassis.Axle.Row1.Wheel.Right.Tire.IsPressureLow", SWITCH),
    ("Vehicle.Chassis.Axle.Row1.Wheel.Right.Tire.Pressure", number(Uint16, "kPa")),
    ("Vehicle.Chassis.Axle.Row1.Wheel.Right.Tire.Temperature", number(Float, "Celsius")),
    ("Vehicle.Chassis.Axle.Row2.Wheel.Left.AngularSpeed", number(Float, "degrees/s")),
    ("Vehicle.Chassis.Axle.Row2.Wheel.Left.Brake.IsBrakesWorn", SWITCH),
    ("Vehicle.Chassis.Axle.Row2.Wheel.Left.Brake.IsFluidLevelLow", SWITCH),
    ("Vehicle.Chassis.Axle.Row2.Wheel.Left.Brake.PadWear", below(Uint8, "percent", 100.0)),
    ("Vehicle.Chassis.Axle.Row2.Wheel.Left.Speed", number(Float, "km/h")),
    ("Vehicle.Chassis.Axle.Row2.Wheel.Left.Tire.IsPressureLow", SWITCH),
    ("Vehicle.Chassis.Axle.Row2.Wheel.Left.Tire.Pressure", number(Uint16, "kPa")),
    ("Vehicle.Chassis.Axle.Row2.Wheel.Left.Tire.Temperature", number(Float, "Celsius")),
    ("Vehicle.Chassis.Axle.Row2.Wheel.Right.AngularSpeed", number(Float, "degrees/s")),
    ("Vehicle.Chassis.Axle.Row2.Wheel.Right.Brake.IsBrakesWorn", SWITCH),
    ("Vehicle.Chassis.Axle.Row2.Wheel.Right.Brake.IsFluidLevelLow", SWITCH),
    ("Vehicle.Chassis.Axle.Row2.Wheel.Right.Brake.PadWear", below(Uint8, "percent", 100.0)),
    ("Vehicle.Chassis.Axle.Row2.Wheel.Right.Speed", number(Float, "km/h")),
    ("Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.IsPressureLow", SWITCH),
    ("Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.Pressure", number(Uint16, "kPa")),
    ("Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.Temperature", number(Float, "Celsius")),
    ("Vehicle.Chassis.Brake.IsDriverEmergencyBrakingDetected", SWITCH),
    ("Vehicle.Chassis.Brake.PedalPosition", between(Uint8, "percent", 0.0, 100.0)),
    ("Vehicle.Chassis.ParkingBrake.IsEngaged", SWITCH),
    ("Vehicle.Chassis.SteeringWheel.Angle", number(Int16, "degrees")),
    ("Vehicle.Chassis.SteeringWheel.HeatingCooling", between(Int8, "percent", -100.0, 100.0)),
    ("Vehicle.CurrentLocation.Altitude", number(Double, "m")),
    ("Vehicle.CurrentLocation.Heading", between(Double, "degrees", 0.0, 360.0)),
    ("Vehicle.CurrentLocation.HorizontalAccuracy", number(Double, "m")),
    ("Vehicle.CurrentLocation.Latitude", between(Double, "degrees", -90.0, 90.0)),
    ("Vehicle.CurrentLocation.Longitude", between(Double, "degrees", -180.0, 180.0)),
    ("Vehicle.CurrentLocation.VerticalAccuracy", number(Double, "m")),
    ("Vehicle.Exterior.AirTemperature", number(Float, "Celsius")),
    ("Vehicle.Exterior.Humidity", between(Float, "percent", 0.0, 100.0)),
    ("Vehicle.Exterior.LightIntensity", between(Float, "percent", 0.0, 100.0)),
    ("Vehicle.IsBrokenDown", SWITCH),
    ("Vehicle.IsMoving", SWITCH),
    ("Vehicle.LowVoltageBattery.CurrentCurrent", number(Float, "A")),
    ("Vehicle.LowVoltageBattery.CurrentVoltage", number(Float, "V")),
    ("Vehicle.LowVoltageSystemState", label(&["UNDEFINED", "LOCK", "OFF", "ACC", "ON", "START"])),
    ("Vehicle.Powertrain.AccumulatedBrakingEnergy", number(Float, "kWh")),
    ("Vehicle.Powertrain.CombustionEngine.DieselExhaustFluid.IsLevelLow", SWITCH),
    ("Vehicle.Powertrain.CombustionEngine.DieselExhaustFluid.Level", between(Uint8, "percent", 0.0, 100.0)),
    ("Vehicle.Powertrain.CombustionEngine.DieselExhaustFluid.Range", number(Uint32, "m")),
    ("Vehicle.Powertrain.CombustionEngine.EOP", number(Uint16, "kPa")),
    ("Vehicle.Powertrain.CombustionEngine.EngineCoolant.Level", label(&["CRITICALLY_LOW", "LOW", "NORMAL"])),
    ("Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature", number(Float, "Celsius")),
    ("Vehicle.Powertrain.CombustionEngine.EngineHours", number(Float, "h")),
    (
        "Vehicle.Powertrain.CombustionEngine.EngineOil.Level",
        label(&["CRITICALLY_LOW", "LOW", "NORMAL", "HIGH", "CRITICALLY_HIGH"]),
    ),
    ("Vehicle.Powertrain.CombustionEngine.EngineOil.LifeRemaining", number(Int32, "s")),
    ("Vehicle.Powertrain.CombustionEngine.EngineOil.Temperature", number(Float, "Celsius")),
    ("Vehicle.Powertrain.CombustionEngine.IsRunning", SWITCH),
    ("Vehicle.Powertrain.CombustionEngine.MAF", number(Uint16, "g/s")),
    ("Vehicle.Powertrain.CombustionEngine.MAP", number(Uint16, "kPa")),
    ("Vehicle.Powertrain.CombustionEngine.Power", number(Uint16, "kW")),
    ("Vehicle.Powertrain.CombustionEngine.Speed", number(Float, "rpm")),
    ("Vehicle.Powertrain.CombustionEngine.TPS", below(Uint8, "percent", 100.0)),
    ("Vehicle.Powertrain.CombustionEngine.Torque", number(Int16, "Nm")),
    ("Vehicle.Powertrain.ElectricMotor.Power", number(Int16, "kW")),
    ("Vehicle.Powertrain.ElectricMotor.Speed", number(Float, "rpm")),
    ("Vehicle.Powertrain.ElectricMotor.Temperature", number(Float, "Celsius")),
    ("Vehicle.Powertrain.ElectricMotor.Torque", number(Int16, "Nm")),
    ("Vehicle.Powertrain.FuelSystem.AbsoluteLevel", number(Float, "l")),
    ("Vehicle.Powertrain.FuelSystem.AverageConsumption", above(Float, "l/100km", 0.0)),
    ("Vehicle.Powertrain.FuelSystem.ConsumptionSinceStart", number(Float, "l")),
    ("Vehicle.Powertrain.FuelSystem.InstantConsumption", above(Float, "l/100km", 0.0)),
    ("Vehicle.Powertrain.FuelSystem.IsEngineStopStartEnabled", SWITCH),
    ("Vehicle.Powertrain.FuelSystem.IsFuelLevelEmpty", SWITCH),
    ("Vehicle.Powertrain.FuelSystem.IsFuelLevelLow", SWITCH),
    ("Vehicle.Powertrain.FuelSystem.IsFuelPortFlapOpen", SWITCH),
    ("Vehicle.Powertrain.FuelSystem.Range", number(Uint32, "m")),
    ("Vehicle.Powertrain.FuelSystem.RelativeLevel", between(Uint8, "percent", 0.0, 100.0)),
    ("Vehicle.Powertrain.Range", number(Uint32, "m")),
    ("Vehicle.Powertrain.TimeRemaining", number(Uint32, "s")),
    ("Vehicle.Powertrain.TractionBattery.AccumulatedChargedEnergy", number(Float, "kWh")),
    ("Vehicle.Powertrain.TractionBattery.AccumulatedConsumedEnergy", number(Float, "kWh")),
    ("Vehicle.Powertrain.TractionBattery.BatteryConditioning.IsActive", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.BatteryConditioning.IsOngoing", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.CellVoltage.Max", number(Float, "V")),
    ("Vehicle.Powertrain.TractionBattery.CellVoltage.Min", number(Float, "V")),
    ("Vehicle.Powertrain.TractionBattery.Charging.AveragePower", number(Float, "kW")),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargeCurrent.DC", number(Float, "A")),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargeCurrent.Phase1", number(Float, "A")),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargeCurrent.Phase2", number(Float, "A")),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargeCurrent.Phase3", number(Float, "A")),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargeLimit", between(Uint8, "percent", 0.0, 100.0)),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargeRate", number(Float, "km/h")),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargeVoltage.DC", number(Float, "V")),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargeVoltage.Phase1", number(Float, "V")),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargeVoltage.Phase2", number(Float, "V")),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargeVoltage.Phase3", number(Float, "V")),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.AnyPosition.IsChargingCableConnected", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.AnyPosition.IsChargingCableLocked", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.AnyPosition.IsFlapOpen", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.FrontLeft.IsChargingCableConnected", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.FrontLeft.IsChargingCableLocked", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.FrontLeft.IsFlapOpen", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.FrontRight.IsChargingCableConnected", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.FrontRight.IsChargingCableLocked", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.FrontRight.IsFlapOpen", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.RearLeft.IsChargingCableConnected", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.RearLeft.IsChargingCableLocked", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.RearLeft.IsFlapOpen", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.RearRight.IsChargingCableConnected", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.RearRight.IsChargingCableLocked", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.RearRight.IsFlapOpen", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.Charging.IsCharging", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.Charging.IsDischarging", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.Charging.Location.Latitude", between(Double, "degrees", -90.0, 90.0)),
    ("Vehicle.Powertrain.TractionBattery.Charging.Location.Longitude", between(Double, "degrees", -180.0, 180.0)),
    ("Vehicle.Powertrain.TractionBattery.Charging.MaxPower", number(Float, "kW")),
    ("Vehicle.Powertrain.TractionBattery.Charging.Temperature", number(Float, "Celsius")),
    ("Vehicle.Powertrain.TractionBattery.Charging.TimeToComplete", number(Uint32, "s")),
    ("Vehicle.Powertrain.TractionBattery.Charging.Timer.Mode", label(&["INACTIVE", "START_TIME", "END_TIME"])),
    ("Vehicle.Powertrain.TractionBattery.CurrentCurrent", number(Float, "A")),
    ("Vehicle.Powertrain.TractionBattery.CurrentPower", number(Float, "W")),
    ("Vehicle.Powertrain.TractionBattery.CurrentVoltage", number(Float, "V")),
    ("Vehicle.Powertrain.TractionBattery.IsGroundConnected", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.IsPowerConnected", SWITCH),
    ("Vehicle.Powertrain.TractionBattery.NetCapacity", number(Uint16, "kWh")),
    ("Vehicle.Powertrain.TractionBattery.Range", number(Uint32, "m")),
    ("Vehicle.Powertrain.TractionBattery.StateOfCharge.Current", between(Float, "percent", 0.0, 100.0)),
    ("Vehicle.Powertrain.TractionBattery.StateOfCharge.CurrentEnergy", number(Float, "kWh")),
    ("Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed", between(Float, "percent", 0.0, 100.0)),
    ("Vehicle.Powertrain.TractionBattery.StateOfHealth", between(Float, "percent", 0.0, 100.0)),
    ("Vehicle.Powertrain.TractionBattery.Temperature.Average", number(Float, "Celsius")),
    ("Vehicle.Powertrain.TractionBattery.Temperature.Max", number(Float, "Celsius")),
    ("Vehicle.Powertrain.TractionBattery.Temperature.Min", number(Float, "Celsius")),
    ("Vehicle.Powertrain.TractionBattery.TimeRemaining", number(Uint32, "s")),
    ("Vehicle.Powertrain.Transmission.CurrentGear", number(Int8, "")),
    ("Vehicle.Powertrain.Transmission.GearChangeMode", label(&["MANUAL", "AUTOMATIC"])),
    ("Vehicle.Powertrain.Transmission.IsElectricalPowertrainEngaged", SWITCH),
    ("Vehicle.Powertrain.Transmission.IsLowRangeEngaged", SWITCH),
    ("Vehicle.Powertrain.Transmission.IsParkLockEngaged", SWITCH),
    ("Vehicle.Powertrain.Transmission.PerformanceMode", label(&["NORMAL", "SPORT", "ECONOMY", "SNOW", "RAIN"])),
    ("Vehicle.Powertrain.Transmission.SelectedGear", number(Int8, "")),
    ("Vehicle.Powertrain.Transmission.Temperature", number(Float, "Celsius")),
    ("Vehicle.Powertrain.Transmission.TravelledDistance", number(Float, "km")),
    ("Vehicle.Service.DistanceToService", number(Float, "km")),
    ("Vehicle.Service.IsServiceDue", SWITCH),
    ("Vehicle.Service.TimeToService", number(Int32, "s")),
    ("Vehicle.Speed", number(Float, "km/h")),
    ("Vehicle.Trailer.IsConnected", SWITCH),
    ("Vehicle.TraveledDistance", number(Uint32, "m")),
    ("Vehicle.TraveledDistanceSinceStart", number(Uint32, "m")),
    ("Vehicle.TripDuration", number(Float, "s")),
    ("Vehicle.TripMeterReading", number(Uint32, "m")),
];
